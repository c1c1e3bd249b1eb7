"""Jobs that go wrong, in a module of their own so that worker processes can import them."""

import os
import signal
import time

import pyarrow as pa

from sideman.corpus.engines import Job

SCHEMA = pa.schema([("name", pa.string()), ("said", pa.string())])


def items(*names):
    return pa.table({"name": pa.array(names, pa.string())})


def _answer(name):
    if name == "hang":
        time.sleep(600)
    if name == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "raise":
        msg = "cannot do this one"
        raise ArithmeticError(msg)
    return name.upper()


def _run(table):
    rows = [{"name": name, "said": _answer(name)} for name in table["name"].to_pylist()]
    return pa.Table.from_pylist(rows, SCHEMA)


def _lost(item, reason, detail):
    assert detail
    return pa.Table.from_pylist([{"name": item["name"][0].as_py(), "said": reason}], SCHEMA)


JOB = Job(_run, _lost, limit_s=60.0)
IMPATIENT_JOB = Job(_run, _lost, limit_s=5.0)
