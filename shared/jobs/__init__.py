"""Long work: leased rows, each attempt under a token of its own.

A handler enqueues and commits; a worker claims, works, and closes. Claim, heartbeat and progress touch only the job's
row, guarded by the token, take no episode lock and publish nothing; the result is written in a unit of work that checks
the token, so that an attempt that lost its lease changes nothing.
"""

from shared.jobs.queue import (
    HandBack,
    Job,
    LeaseLost,
    cancel,
    claim,
    dismiss,
    enqueue,
    fail,
    finish,
    forget,
    hand_back,
    heartbeat,
    held,
    hurry,
    lives,
    observe,
    progress,
    progress_of,
    renew,
    resume,
    scratch_left,
    wait,
    wiped,
)
from shared.jobs.table import OPEN, JobState, jobs
from shared.jobs.working import work_off

__all__ = [
    "OPEN",
    "HandBack",
    "Job",
    "JobState",
    "LeaseLost",
    "cancel",
    "claim",
    "dismiss",
    "enqueue",
    "fail",
    "finish",
    "forget",
    "hand_back",
    "heartbeat",
    "held",
    "hurry",
    "jobs",
    "lives",
    "observe",
    "progress",
    "progress_of",
    "renew",
    "resume",
    "scratch_left",
    "wait",
    "wiped",
    "work_off",
]
