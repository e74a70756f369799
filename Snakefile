# The workflow's front door. `snakemake` here does the main job; `snakemake --list` names its parts.
# What is computed: config/config.yaml. How it runs: profiles/default.
# Results go to results/ in the working directory; `snakemake -d DIR` uses another one.

import os
import sys
from pathlib import Path

import pandas as pd
from snakemake.logging import logger
from snakemake.utils import Paramspace, min_version

min_version("9.27")

sys.path.insert(0, workflow.basedir)  # the checkout's own package, installed or not

from lstm_gpu import backend, clock, configuration, ledger, lock, packing
from lstm_gpu.errors import InputError
from lstm_gpu.formulas.apart import check_loads
from lstm_gpu.progress import WorkflowProgress
from lstm_gpu.report import digests


configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/check.smk"
include: "workflow/rules/align.smk"
include: "workflow/rules/sigmoid.smk"
include: "workflow/rules/formulas.smk"
include: "workflow/rules/aggregate.smk"
include: "workflow/rules/report.smk"


localrules:
    all,
    aggregate,
    figures,
    page,


onstart:
    try:
        lock.hold()
        if workflow.local_exec:
            backend.select(config["backend"])
    except InputError as error:
        refuse(error)
    if config["backend"] == "auto" and workflow.non_local_exec:
        logger.warning(
            f"`backend: auto` asked this machine, which has {device}; the nodes' GPUs need `backend: cupy`."
        )
    WorkflowProgress().attach(logger, workflow.output_settings.quiet)
    if workflow.local_exec:
        # A limit of jobs per timespan is for a cluster's scheduler; here the cores are the limit. Where there is one,
        # Snakemake 9.27 looks at all waiting jobs again a timespan after every look, for ever, and its process ends
        # only when the last of these alarms has rung.
        workflow.scheduler.job_rate_limiter = None


rule all:
    default_target: True
    input:
        [path for kind in JOBS for path in ledgers(kind)],  # lost ones too, where the tables are there
        TABLES,
        FIGURES,
        "results/report.html",
