"""S3 as the documents use it, through boto3: upload a file, list it, download it, compare.

The file is above boto3's threshold, so it travels as a multipart upload. Takes the object's key. Leaves nothing behind.
"""

import hashlib
import os
import tempfile

import boto3
from botocore.config import Config

from saying import program

SIZE = 9 * 1024 * 1024


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def body(saw, key):
    saw.step("make a client")
    bucket, endpoint = os.environ["AWS_S3_BUCKET_NAME"], os.environ["AWS_S3_ENDPOINT_URL"]
    saw.same("scheme", True, endpoint.startswith("https://"))
    bounded = Config(connect_timeout=10, read_timeout=30, retries={"total_max_attempts": 1})
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=bounded)

    with tempfile.TemporaryDirectory() as folder:
        sent, received = os.path.join(folder, "sent"), os.path.join(folder, "received")
        with open(sent, "wb") as file:
            file.write(os.urandom(SIZE))

        saw.step("upload")
        client.upload_file(sent, bucket, key)
        try:
            saw.step("list")
            listed = client.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
            saw.same("listing", [(key, SIZE)], [(entry["Key"], entry["Size"]) for entry in listed])

            saw.step("download")
            client.download_file(bucket, key, received)
            saw.same("SHA-256", digest(sent), digest(received))
            saw.note(bucket=bucket, key=key, bytes=SIZE)
        finally:
            client.delete_object(Bucket=bucket, Key=key)


program("boto3 " + boto3.__version__, body)
