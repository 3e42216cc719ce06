// S3 as the documents use it, through @aws-sdk/client-s3: upload a file, list it, download it, compare.
//
// Takes the object's key. Leaves nothing behind.

import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client,
} from '@aws-sdk/client-s3';
import { program } from './saying.mjs';

const SIZE = 1024 * 1024;

const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');

await program('@aws-sdk/client-s3', async (saw, key) => {
  saw.step('make a client');
  const { AWS_S3_BUCKET_NAME: bucket, AWS_S3_ENDPOINT_URL: endpoint } = process.env;
  saw.same('scheme', true, endpoint.startsWith('https://'));
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    requestHandler: { connectionTimeout: 10_000, requestTimeout: 30_000 },
  });

  const folder = await mkdtemp(join(tmpdir(), 'client-'));
  try {
    const sent = randomBytes(SIZE);
    const file = join(folder, 'sent');
    await writeFile(file, sent);

    saw.step('upload');
    const body = createReadStream(file);
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ContentLength: SIZE }));
    try {
      saw.step('list');
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: key }));
      saw.same('listing', [[key, SIZE]], Contents.map((entry) => [entry.Key, entry.Size]));

      saw.step('download');
      const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      const received = await got.Body.transformToByteArray();
      saw.same('SHA-256', digest(sent), digest(received));
      saw.note({ bucket, key, bytes: received.length });
    } finally {
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
