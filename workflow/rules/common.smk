# What the rules share: the checked configuration, the cases as a Paramspace, and the sources each rule depends on.

try:
    for path in workflow.config_settings.configfiles:
        configuration.load(
            path
        )  # each file alone, so that a missing key is not filled in silently
    configuration.validate(config, source="the configuration")
    configuration.check_writable("results")
    formula_files = [str(path) for path in configuration.formula_paths(config)]
    load_all(
        formula_files
    )  # runs them once: a mistake in one ends here, and not in every job
    device = backend.describe(backend.select(config["backend"]))["backend"]
except InputError as error:
    logger.error(f"error: {error}")
    sys.exit(
        2
    )  # an exception would add the place in this file, which is not where the mistake is

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
    case="[^/]+",
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
    "explicit.py",
    "__main__.py",
    "configuration.py",
    "job.py",
    "progress.py",
    "replay.py",
    "scan.py",
    "scanning.py",
    "shrink.py",
    "compiled.py",
    "cuda/*",
)
CORE = sorted(set(sources("**/*")) - set(SURFACE))

# What draws: of the report, the tables depend on the rest.
DRAWING = sources("report/figures.py", "report/figures/**/*", "report/style.py")
TABULATING = sorted(
    set(sources("report/*.py", "checking.py"))
    - set(DRAWING)
    - set(sources("report/page*"))
)

# One device for each job that uses one: the profile says how many there are.
DEVICES = {"gpu": 1} if device == "cupy" else {}


def measured_accuracy(wildcards):
    """Where the run measures how accurate float32 functions are, the float32 jobs wait for it."""
    dtype = cases.instance(wildcards)["dtype"]
    return (
        ["results/shards/accuracy/float32.json"]
        if EXHAUSTIVE and dtype == "float32"
        else []
    )


def shard_paths(kind, weight_sets):
    """The files of all cases' shards of one kind, in the order of the cases."""
    ranges = list(configuration.shards(weight_sets, config["shard_size"]))
    return [
        f"results/shards/{kind}/{case}/{start}-{stop}.json"
        for case in cases.instance_patterns
        for start, stop in ranges
    ]
