# Formulas of your own (`formulas` in the configuration): each job takes many shards.


rule formulas:
    input:
        files=formula_files,
        helpers=formula_helpers,
        sources=CORE,
    output:
        "results/jobs/formulas/{job}.json",
    log:
        "results/logs/formulas/{job}.log",
    benchmark:
        "results/benchmarks/formulas/{job}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **DEVICES,
        mem_mb=memory_of("formulas"),
        runtime=minutes_of("formulas"),
    params:
        work=of_job("formulas", "work"),
        seed=lookup(dpath="seed", within=config),
        backend=lookup(dpath="backend", within=config),
    message:
        "Trying your formulas (job {wildcards.job})"
    script:
        "../scripts/formulas.py"
