// A web server on loopback: files below named folders, with byte ranges and the types that players ask
// for. As a CDN does, it lets pages of other origins read.

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.m3u8': 'application/vnd.apple.mpegurl',
  '.mpd': 'application/dash+xml',
  '.m4s': 'video/mp4',
  '.mp4': 'video/mp4',
};

/** The file of a path such as `/media/plain/master.m3u8`, where `media` is one of the folders. */
function fileOf(path, folders) {
  const [, name, ...rest] = decodeURIComponent(path).split('/');
  const folder = folders[name];
  const file = folder && normalize(join(folder, ...rest));
  return file?.startsWith(folder + sep) ? file : null;
}

/** First and last byte of a `Range` header; null when there is none. */
function rangeOf(header, size) {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (!first && !last) return null;
  if (!first) return [Math.max(0, size - Number(last)), size - 1];
  return [Number(first), last ? Math.min(Number(last), size - 1) : size - 1];
}

async function answer(request, response, folders) {
  response.setHeader('Access-Control-Allow-Origin', '*');
  response.setHeader('Access-Control-Allow-Headers', 'Range');
  response.setHeader('Accept-Ranges', 'bytes');
  if (request.method === 'OPTIONS') return response.writeHead(204).end();
  const file = fileOf(new URL(request.url, 'http://localhost').pathname, folders);
  const facts = file && await stat(file).catch(() => null);
  if (!facts?.isFile()) return response.writeHead(404).end();
  const range = rangeOf(request.headers.range, facts.size);
  if (range && range[0] > range[1]) return response.writeHead(416, { 'Content-Range': `bytes */${facts.size}` }).end();
  const [start, end] = range ?? [0, facts.size - 1];
  if (range) response.setHeader('Content-Range', `bytes ${start}-${end}/${facts.size}`);
  response.writeHead(range ? 206 : 200, { 'Content-Type': types[extname(file)] ?? 'application/octet-stream', 'Content-Length': end - start + 1 });
  if (request.method === 'HEAD' || facts.size === 0) return response.end();
  // A player that seeks drops what it was loading.
  createReadStream(file, { start, end }).on('error', () => response.destroy()).pipe(response);
}

/** @param {Record<string, string>} folders by the first part of a path */
export async function serve(folders) {
  const server = createServer((request, response) => {
    answer(request, response, folders).catch(error => response.destroy(error));
  });
  await new Promise((listening, failed) => server.once('error', failed).listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close() {
      server.closeAllConnections();
      return new Promise(closed => server.close(closed));
    },
  };
}
