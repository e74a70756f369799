# Formulas against references: one job per case and shard of weight sets.


rule check:
    input:
        accuracy=measured_accuracy,
        sources=CORE,
    output:
        "results/shards/check/{case}/{start}-{stop}.json",
    log:
        "results/logs/check/{case}/{start}-{stop}.log",
    benchmark:
        "results/benchmarks/check/{case}/{start}-{stop}.tsv"
    conda:
        "../../environment.yml"
    threads: 1  # also OPENBLAS_NUM_THREADS and its kin, which Snakemake sets to it: small matrices gain nothing from more
    resources:
        **DEVICES,
        mem_mb=1024,
    params:
        case=cases.instance,
        seed=lookup(dpath="seed", within=config),
        backend=lookup(dpath="backend", within=config),
    message:
        "Checking the claims on weight sets {wildcards.start} to {wildcards.stop} of {wildcards.case}"
    script:
        "../scripts/check.py"
