// Runs a program to its end.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';

/**
 * @param {{outputs?: number}} options further pipes that are read, from file descriptor 3
 * @returns {Promise<Buffer[]>} what came out of these pipes
 */
export async function run(program, words, { outputs = 0 } = {}) {
  const pipes = Array.from({ length: outputs }, () => 'pipe');
  const child = spawn(program, words.map(String), { stdio: ['ignore', 'pipe', 'pipe', ...pipes] });
  const [[code, signal], told, complaint, ...read] = await Promise.all([once(child, 'close'), ...child.stdio.slice(1).map(pipe => buffer(pipe))]);
  if (code !== 0) throw Error(`${program} ${words.join(' ')}\nended with ${code ?? signal}: ${complaint}${told}`);
  return read;
}
