# The search of the unit sphere for the forget gate's maximum: one job per case and shard of weight sets.


rule align:
    input:
        accuracy=measured_accuracy,
        sources=CORE,
    output:
        "results/shards/align/{case}/{start}-{stop}.json",
    log:
        "results/logs/align/{case}/{start}-{stop}.log",
    benchmark:
        "results/benchmarks/align/{case}/{start}-{stop}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **DEVICES,
        mem_mb=1024,
    params:
        case=cases.instance,
        seed=lookup(dpath="seed", within=config),
        directions=lookup(dpath="sphere/directions", within=config),
        backend=lookup(dpath="backend", within=config),
    message:
        "Searching the sphere for weight sets {wildcards.start} to {wildcards.stop} of {wildcards.case}"
    script:
        "../scripts/align.py"
