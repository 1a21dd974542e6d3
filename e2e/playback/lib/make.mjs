// Makes what the tests look at: the clips, and what the product publishes of them.

import { mkdir } from 'node:fs/promises';
import { clips, make, sources } from './clips.mjs';
import { productions } from './productions.mjs';
import { publish } from './product.mjs';

await mkdir(sources, { recursive: true });
for (const clip of Object.values(clips)) await make(clip);
for (const [name, { clip, ladder, encode }] of Object.entries(productions)) await publish(name, clip.file, ladder, encode);
