# All shards into the tables: tallies merge, so the order and the size of the shards do not matter.


rule aggregate:
    input:
        jobs=[path for kind in JOBS for path in ledgers(kind)],
        sigmoid=expand("results/shards/sigmoid/{dtype}.json", dtype=DTYPES),
        files=formula_files,
        helpers=formula_helpers,
        sources=CORE + TABULATING,
    output:  # update: when the job fails, the tables of an earlier run stay
        verdicts=report(
            update("results/verdicts.csv"),
            caption="../report/verdicts.rst",
            category="1. Verdicts",
            labels={"table": "verdicts", "rows": "claim and reading"},
        ),
        cases=report(
            update("results/cases.csv"),
            caption="../report/cases.rst",
            category="1. Verdicts",
            labels={"table": "cases", "rows": "claim, reading and case"},
        ),
        mutants=report(
            update("results/mutants.csv"),
            caption="../report/mutants.rst",
            category="2. What the checks catch",
            labels={"table": "mutants", "rows": "wrong formula and case"},
        ),
        mutation_score=report(
            update("results/mutation_score.csv"),
            caption="../report/mutation_score.rst",
            category="2. What the checks catch",
            labels={"table": "mutation_score", "rows": "claim, hidden size and dtype"},
        ),
        alignment=report(
            update("results/alignment.csv"),
            caption="../report/alignment.rst",
            category="3. The sphere",
            labels={"table": "alignment", "rows": "case"},
        ),
        sigmoid=report(
            update("results/sigmoid.csv"),
            caption="../report/sigmoid.rst",
            category="4. Floating point",
            labels={"table": "sigmoid", "rows": "format, form and region"},
        ),
        detection=report(
            update("results/detection.csv"),
            caption="../report/detection.rst",
            category="2. What the checks catch",
            labels={"table": "detection", "rows": "reading, hidden size and factor"},
        ),
        formulas=report(
            update("results/formulas.csv"),
            caption="../report/formulas.rst",
            category="1. Verdicts",
            labels={"table": "formulas", "rows": "formula of your own"},
        ),
        lint=report(
            update("results/lint.csv"),
            caption="../report/lint.rst",
            category="2. What the checks catch",
            labels={"table": "lint", "rows": "case and finding"},
        ),
        enclosures=report(
            update("results/enclosures.csv"),
            caption="../report/enclosures.rst",
            category="1. Verdicts",
            labels={
                "table": "enclosures",
                "rows": "claim, reading, reference and case",
            },
        ),
        ladder=update("results/ladder.csv"),
        best_cosine=update("results/best_cosine.csv"),
        sigmoid_curve=update("results/sigmoid_curve.csv"),
        worst_entry=update("results/worst_entry.json"),
        manifest=update("results/manifest.json"),
        counterexamples=update(directory("results/counterexamples")),
    log:
        "results/logs/aggregate.log",
    benchmark:
        "results/benchmarks/aggregate.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=packing.table_memory(config),
        runtime=packing.table_minutes(config),
    params:
        config=config,
        folders=FOLDERS,
    message:
        "Merging the shards into tables"
    script:
        "../scripts/aggregate.py"
