"""Buckets of both kinds on this machine, by servers that speak the protocols of GCS and S3.

`python tests/bucket_servers.py` runs them and prints the environment that leads to them.
"""

import contextlib
import logging
import os
import time
from http import HTTPStatus

import pytest

gcs = pytest.importorskip("gcp_storage_emulator.server", reason="pip install 'pinch_jax[test]'")
s3 = pytest.importorskip("moto.server", reason="pip install 'pinch_jax[test]'")

BUCKET = "bucket"


def with_generations(handler):
    """Returns a handler of the emulator that knows generations and preconditions, as GCS does."""

    def handle(request, response, storage):
        params, query = request.params or {}, request.query
        name = params.get("object_id") or query.get("name", [""])[0]

        def generation():
            try:
                return storage.get_file_obj(params["bucket_name"], name)["generation"]
            except (KeyError, gcs.objects.NotFound):
                return "0"

        found = generation()
        if query.get("ifGenerationMatch", [found])[0] != found:
            response.status = HTTPStatus.PRECONDITION_FAILED
        elif query.get("ifGenerationNotMatch", [""])[0] == found:
            response.status = HTTPStatus.NOT_MODIFIED
        else:
            handler(request, response, storage)
            response["x-goog-generation"] = generation()

    return handle


@contextlib.contextmanager
def stopped(server):
    """Yields a server that runs until the block ends."""
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def buckets():
    """Yields the environment that leads to an empty gs://bucket and an empty s3://bucket."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    gcs.HANDLERS = tuple(
        (path, {method: with_generations(handler) for method, handler in handlers.items()})
        for path, handlers in gcs.HANDLERS
    )
    store = gcs.create_server("localhost", 0, in_memory=True, default_bucket=BUCKET)
    with store, stopped(s3.ThreadedMotoServer("localhost", 0, verbose=False)) as amazon:
        yield {
            "STORAGE_EMULATOR_HOST": f"http://localhost:{store._api._httpd.server_port}",
            "TENSORSTORE_GCS_HTTP_URL": f"http://localhost:{store._api._httpd.server_port}",
            # It would ask Google what kind of bucket that is.
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
            "AWS_ENDPOINT_URL": "http://{}:{}".format(*amazon.get_host_and_port()),
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }


def make_s3_bucket():
    import s3fs

    s3fs.S3FileSystem().mkdir(BUCKET)


if __name__ == "__main__":
    with buckets() as environment:
        os.environ |= environment
        make_s3_bucket()
        print(*(f"export {name}={value}" for name, value in environment.items()), sep="\n")
        print(flush=True)
        while True:
            time.sleep(1)
