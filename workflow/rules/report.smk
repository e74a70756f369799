# Figures and the page, from the tables alone.


rule figures:
    input:
        tables=TABLES,
        sources=DRAWING,
    output:
        digests=update("results/figures/digests.json"),
        plain=update(expand("results/figures/{name}.svg", name=FIGURE_NAMES)),
        ladder=report(
            update("results/figures/ladder.png"),
            caption="../report/ladder.rst",
            category="1. Verdicts",
            labels={"figure": "ladder", "shows": "gap against step"},
        ),
        error_over_bound=report(
            update("results/figures/error_over_bound.png"),
            caption="../report/error_over_bound.rst",
            category="1. Verdicts",
            labels={
                "figure": "error_over_bound",
                "shows": "error over bound per case",
            },
        ),
        worst_entry=report(
            update("results/figures/worst_entry.png"),
            caption="../report/worst_entry.rst",
            category="1. Verdicts",
            labels={"figure": "worst_entry", "shows": "where the largest error sits"},
        ),
        mutants=report(
            update("results/figures/mutants.png"),
            caption="../report/mutants.rst",
            category="2. What the checks catch",
            labels={"figure": "mutants", "shows": "kill matrix"},
        ),
        detection=report(
            update("results/figures/detection.png"),
            caption="../report/detection.rst",
            category="2. What the checks catch",
            labels={"figure": "detection", "shows": "injected errors found"},
        ),
        alignment=report(
            update("results/figures/alignment.png"),
            caption="../report/alignment.rst",
            category="3. The sphere",
            labels={"figure": "alignment", "shows": "best cosine against its law"},
        ),
        sigmoid=report(
            update("results/figures/sigmoid.png"),
            caption="../report/sigmoid.rst",
            category="4. Floating point",
            labels={"figure": "sigmoid", "shows": "error of each form over z"},
        ),
    log:
        "results/logs/figures.log",
    benchmark:
        "results/benchmarks/figures.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=512,  # three times what is measured
        runtime=10,
    message:
        "Drawing the figures"
    script:
        "../scripts/figures.py"


rule page:
    input:
        tables=TABLES,
        figures=FIGURES,
        digests="results/figures/digests.json",
        sources=sources("report/**/*"),
    output:
        report(
            update("results/report.html"),
            caption="../report/page.rst",
            category="1. Verdicts",
            labels={"page": "report", "shows": "everything on one page"},
        ),
    log:
        "results/logs/page.log",
    benchmark:
        "results/benchmarks/page.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=512,  # three times what is measured
        runtime=10,
    message:
        "Writing the page"
    script:
        "../scripts/page.py"
