"""What happens around a run: its jobs are followed for MLflow, its time is kept, its report written."""

import os
import subprocess
import sys
import tempfile
import time
import uuid

from gof.data.verification import RUN as RUN_NAME
from gof.report.beside import lay_out
from gof.run import locks
from gof.run.files import InputError, append_json
from gof.run.job import FOLLOWED
from gof.run.spool import dismiss, follower

HERE = Path(".snakemake")
if workflow.is_main_process and locks.release(HERE):
    print("the run before was killed: its locks are gone", file=sys.stderr)


def start_run():
    """Name the run, and have one process mirror all its jobs into MLflow, from their files."""
    run = {"start": time.time()}
    made = [str(file) for job in workflow.dag.needrun_jobs() for file in job.output]
    try:
        locks.begin(HERE, made)
    except InputError as error:
        raise WorkflowError(str(error))
    os.environ.update({RUN_NAME: uuid.uuid4().hex})  # shards are hashed once in it
    if CONFIG.tracking.enabled:
        os.environ.update({FOLLOWED: "1"})
        run["follower"] = follower([RESULTS], RESULTS, CONFIG.runtime_only())
    return run


def end_run(run):
    locks.end(HERE)
    if "follower" in run:
        dismiss(run["follower"], CONFIG.tracking.wait_s)


def note_run(run, jobs):
    """Keep how long a run took; the README's figures come from here."""
    entry = {
        "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "jobs": jobs,
        "cores": workflow.resource_settings.cores,
        "seeds": len(CONFIG.seeds),
        "wall_s": round(time.time() - run["start"], 1),
    }
    append_json(RESULTS / "runs.jsonl", entry)


def write_report():
    """`snakemake --report`, called as this run was called."""
    style = f"{workflow.basedir}/workflow/report/report.css"
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder, "report.zip")
        call = [sys.executable, "-m", "snakemake", *sys.argv[1:], "--report", packed]
        call += ["--report-stylesheet", style]
        done = subprocess.run(call, capture_output=True, text=True)
        problem = done.stderr.strip().splitlines()[-1:] if done.returncode else []
        try:
            if not problem:
                lay_out(packed, RESULTS / "report.html")
        except (InputError, OSError) as error:
            problem = [str(error)]
        for line in problem:
            print(f"no report: {line}", file=sys.stderr)


RUN = {}


onstart:
    RUN.update(start_run())


onsuccess:
    end_run(RUN)
    note_run(RUN, workflow.scheduler.finished_jobs)
    if any(job.rule.name == "all" for job in workflow.dag.jobs):
        write_report()


onerror:
    end_run(RUN)
