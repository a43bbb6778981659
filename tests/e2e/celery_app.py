"""A project's Celery app; ``SERVER_BROKER`` names its broker, ``SERVER_QUEUE`` a queue of its own there."""

import os

from celery import Celery

app = Celery("tests", broker=os.environ["SERVER_BROKER"])
app.conf.task_default_queue = os.environ["SERVER_QUEUE"]
if os.environ["SERVER_BROKER"].startswith("redis"):
    app.conf.broker_transport_options = {
        "global_keyprefix": os.environ["SERVER_QUEUE"],
        "socket_connect_timeout": 2,
        "socket_timeout": 5,
    }
else:
    app.conf.broker_transport_options = {"confirm_publish": True}
app.autodiscover_tasks()
