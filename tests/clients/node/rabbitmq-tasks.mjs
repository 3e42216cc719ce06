// RabbitMQ as the documents use it, through amqplib: connect by AMQP_URL, declare the task queue, publish with a
// confirm, consume, acknowledge.
//
// Takes the queue's name: `engine:tasks`. A second argument names an exchange of the app's own to publish through, as it
// must in a vhost that tenants share: the default exchange leads to everybody's queues. Leaves nothing behind.

import { randomUUID } from 'node:crypto';
import amqp from 'amqplib';
import { program } from './saying.mjs';

const connected = () => amqp.connect(process.env.AMQP_URL, { timeout: 10_000 });

await program('amqplib', async (saw, queue, exchange = '') => {
  saw.step('connect');
  const connection = await connected();
  saw.same('encrypted connection', true, connection.connection.stream.encrypted === true);
  saw.note({ server: connection.connection.serverProperties.version, tls: connection.connection.stream.getProtocol() });
  const channel = await connection.createConfirmChannel();

  saw.step('declare the queue');
  await channel.assertQueue(queue, { durable: true });
  try {
    if (exchange) {
      saw.step('declare and bind the exchange');
      await channel.assertExchange(exchange, 'direct', { durable: true });
      await channel.bindQueue(queue, exchange, queue);
    }

    const task = randomUUID();
    saw.step('publish with a confirm');
    let returned = false;
    channel.on('return', () => { returned = true; });
    channel.publish(exchange, queue, Buffer.from(task), { persistent: true, mandatory: true });
    await channel.waitForConfirms();
    saw.same('returned as unroutable', false, returned);

    saw.step('consume on a second connection');
    const worker = await connected();
    const inbox = await worker.createChannel();
    await inbox.prefetch(1);
    const received = await new Promise((resolve, reject) => {
      inbox.consume(queue, resolve).catch(reject);
      inbox.on('error', reject);
    });
    saw.same('task', task, received.content.toString());
    saw.step('acknowledge');
    inbox.ack(received);
    await inbox.close();
    await worker.close();

    saw.step('count what is left');
    const { messageCount } = await channel.checkQueue(queue);
    saw.same('messages left', 0, messageCount);
    saw.note({ queue, consumed: 1, left: messageCount });
  } finally {
    await channel.deleteQueue(queue);
    if (exchange) {
      await channel.deleteExchange(exchange);
    }
  }
  await connection.close();
});
