# What the rules share: the checked configuration, the cases as a Paramspace, and the sources each rule depends on.

if workflow.remote_exec and "SLURM_JOB_ID" in os.environ:
    # A job of Slurm sees the devices it was given, and where it asked for none, none: whatever the node has.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def refuse(error):
    """End with one line; an exception would add the place in this file, where the mistake is not."""
    logger.error(f"error: {error}")
    sys.exit(2)


# How long a job should last is a matter of how it runs: a profile may say `config: [job_seconds=600]`.
target = config.pop("job_seconds", packing.JOB_SECONDS)
# On a cluster the memory of a job holds the Snakemakes that start it as well.
margin = config.pop("job_margin", 0)

try:
    target = packing.job_seconds(target)
    margin = packing.job_margin(margin)
    for path in workflow.config_settings.configfiles:
        configuration.load(
            path
        )  # each file alone, so that a missing key is not filled in silently
    configuration.validate(config, source="the configuration")
    configuration.check_writable("results")
    formula_files = [str(path) for path in configuration.formula_paths(config)]
    formula_helpers = configuration.formula_helpers(config)
    # Runs them once: a mistake in one ends here, and not in every job.
    check_loads(formula_files)
    device = (  # `cupy` is checked when the run starts, for the jobs of a cluster run on other machines
        "cupy"
        if config["backend"] == "cupy"
        else backend.describe(backend.select(config["backend"]))["backend"]
    )
except InputError as error:
    refuse(error)

cases = Paramspace(
    pd.DataFrame([case.as_dict() for case in configuration.case_table(config)]),
    filename_params="*",
    filename_sep="__",
    single_wildcard="case",
)

DTYPES = ["float16", "float32", "float64"]
EXHAUSTIVE = configuration.exhaustive(config)  # float32 only
FIGURE_NAMES = [
    "ladder",
    "error_over_bound",
    "mutants",
    "detection",
    "alignment",
    "sigmoid",
    "worst_entry",
]

TABLES = [
    f"results/{name}"
    for name in [
        "verdicts.csv",
        "cases.csv",
        "mutants.csv",
        "mutation_score.csv",
        "alignment.csv",
        "sigmoid.csv",
        "ladder.csv",
        "detection.csv",
        "lint.csv",
        "formulas.csv",
        "enclosures.csv",
        "best_cosine.csv",
        "sigmoid_curve.csv",
        "worst_entry.json",
        "manifest.json",
        "counterexamples",
    ]
]
FIGURES = expand(
    "results/figures/{name}.{suffix}", name=FIGURE_NAMES, suffix=["svg", "png"]
)


wildcard_constraints:
    job="[^/]+",
    start=r"\d+",
    stop=r"\d+",
    dtype="|".join(DTYPES),


def sources(*names):
    """The package's files that `names` (files, folders, patterns) stand for: inputs, so that an edit re-runs a rule."""
    package = Path(workflow.basedir, "lstm_gpu")
    return sorted(
        str(path)
        for name in names
        for path in package.glob(name)
        if path.suffix in {".py", ".cu", ".j2", ".html", ".css"}
    )


# The array code, and nothing that only reads its results.
SURFACE = sources(
    "report/**/*",
    "checking.py",
    "cli.py",
    "clock.py",
    "explicit.py",
    "formulas/apart.py",
    "__main__.py",
    "configuration.py",
    "counterexample.py",
    "devices.py",
    "job.py",
    "ledger.py",
    "lock.py",
    "output.py",
    "packing.py",
    "plain_yaml.py",
    "progress.py",
    "refutation.py",
    "recorded.py",
    "replay.py",
    "scan.py",
    "scanning.py",
    "shrink.py",
    "compiled.py",
    "cuda/*",
)
CORE = sorted(set(sources("**/*")) - set(SURFACE))

# What draws: of the report, the tables depend on the rest.
DRAWING = sources("report/figures/**/*", "report/style.py", "report/worst.py")
TABULATING = sorted(
    set(sources("report/*.py", "counterexample.py", "refutation.py"))
    - set(DRAWING)
    - set(sources("report/page*"))
)

# One device for each job that uses one: the profile says how many there are, lstm_gpu.devices which it is.
DEVICES = {"gpu": 1} if device == "cupy" else {}
DEVICE_MEMORY = packing.HOST_MEMORY if device == "cupy" else 0


# The folder of each case below results/shards/, in the order of the cases.
FOLDERS = list(cases.instance_patterns)

# Many shards to a job; a job's ledger says that all of them are there, and is its output.
JOBS = {
    kind: packing.plan(kind, config, FOLDERS, target) for kind in packing.kinds(config)
}

if workflow.is_main_process and lock.free():
    try:
        if not workflow.output_settings.dryrun:
            clock.refuse_future(sources("**/*") + formula_files + formula_helpers)
            clock.mend("results")
            for damaged in digests.drop_damaged(Path("results")):
                logger.error(f"{damaged} is not what the run wrote: it is made again")
        # A shard that was lost or touched since: its job runs again, and makes that shard alone.
        ledger.drop_untrue(job for jobs in JOBS.values() for job in jobs.values())
    except InputError as error:
        refuse(error)


def ledgers(kind):
    """The ledgers of all jobs of one kind."""
    return [job.ledger for job in JOBS.get(kind, {}).values()]


def of_job(kind, attribute):
    """A function of the wildcards: something that is known of the job they name."""
    return lambda wildcards: getattr(JOBS[kind][wildcards.job], attribute)


def memory_of(kind):
    """The same for MiB of memory: more with each attempt, where a profile has `retries`."""
    return (
        lambda wildcards, attempt: attempt * JOBS[kind][wildcards.job].memory
        + margin
        + DEVICE_MEMORY
    )


def minutes_of(kind):
    """The same for minutes."""
    return lambda wildcards, attempt: attempt * JOBS[kind][wildcards.job].minutes


def measured_accuracy(wildcards):
    """Where the run measures how accurate float32 functions are, the float32 jobs wait for it."""
    return (
        ["results/shards/accuracy/float32.json"]
        if EXHAUSTIVE and wildcards.job.startswith("float32-")
        else []
    )
