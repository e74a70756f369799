# Formulas against references: each job takes many shards.


rule check:
    input:
        accuracy=measured_accuracy,
        sources=CORE,
    output:
        "results/jobs/check/{job}.json",
    log:
        "results/logs/check/{job}.log",
    benchmark:
        "results/benchmarks/check/{job}.tsv"
    conda:
        "../../environment.yml"
    threads: 1  # also OPENBLAS_NUM_THREADS and its kin, which Snakemake sets to it: small matrices gain nothing from more
    resources:
        **DEVICES,
        mem_mb=memory_of("check"),
        runtime=minutes_of("check"),
    params:
        work=of_job("check", "work"),
        seed=lookup(dpath="seed", within=config),
        backend=lookup(dpath="backend", within=config),
    message:
        "Checking the claims (job {wildcards.job})"
    script:
        "../scripts/check.py"
