"""Long work: leased rows, each attempt under a token of its own.

A handler enqueues and commits; a worker claims, works, and closes. Claim, heartbeat and progress touch only the job's
row, guarded by the token, take no episode lock and publish nothing; the result is written in a unit of work that checks
the token, so that an attempt that lost its lease changes nothing.
"""

from shared.jobs.queue import (
    LEASE,
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
    is_worked_on,
    lives,
    needless,
    observe,
    progress,
    progress_of,
    resume,
    scratch_left,
    trace_of,
    wiped,
)
from shared.jobs.table import OPEN, JobState, jobs
from shared.jobs.working import work_off

__all__ = [
    "LEASE",
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
    "is_worked_on",
    "jobs",
    "lives",
    "needless",
    "observe",
    "progress",
    "progress_of",
    "resume",
    "scratch_left",
    "trace_of",
    "wiped",
    "work_off",
]
