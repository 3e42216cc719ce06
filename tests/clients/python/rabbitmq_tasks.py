"""RabbitMQ as the documents use it, through pika: connect by AMQP_URL, declare the task queue, publish with a confirm,
consume, acknowledge.

Takes the queue's name: `engine:tasks`. A second argument names an exchange of the app's own to publish through, as it
must in a vhost that tenants share: the default exchange leads to everybody's queues. Leaves nothing behind.
"""

import os
import uuid

import pika

from saying import program


def connect():
    parameters = pika.URLParameters(os.environ["AMQP_URL"])
    parameters.socket_timeout = 10
    parameters.stack_timeout = 15
    parameters.blocked_connection_timeout = 10
    return pika.BlockingConnection(parameters), parameters


def body(saw, queue, exchange=""):
    saw.step("connect")
    connection, parameters = connect()
    saw.same("encrypted connection", True, parameters.ssl_options is not None)
    saw.note(vhost=parameters.virtual_host)
    channel = connection.channel()
    channel.confirm_delivery()

    saw.step("declare the queue")
    channel.queue_declare(queue, durable=True)
    try:
        if exchange:
            saw.step("declare and bind the exchange")
            channel.exchange_declare(exchange, "direct", durable=True)
            channel.queue_bind(queue, exchange, queue)

        task = str(uuid.uuid4()).encode()
        saw.step("publish with a confirm")
        persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
        # Raises when the broker returns or refuses the message.
        channel.basic_publish(exchange, queue, task, persistent, mandatory=True)

        saw.step("consume on a second connection")
        worker, _ = connect()
        inbox = worker.channel()
        inbox.basic_qos(prefetch_count=1)
        delivery, _, received = next(inbox.consume(queue, inactivity_timeout=10))
        saw.same("delivery in 10 s", True, delivery is not None)
        saw.same("task", task, received)
        saw.step("acknowledge")
        inbox.basic_ack(delivery.delivery_tag)
        inbox.cancel()
        worker.close()

        saw.step("count what is left")
        left = channel.queue_declare(queue, passive=True).method.message_count
        saw.same("messages left", 0, left)
        saw.note(queue=queue, consumed=1, left=left)
    finally:
        channel.queue_delete(queue)
        if exchange:
            channel.exchange_delete(exchange)
        connection.close()


program("pika " + pika.__version__, body)
