# Formulas of your own (`formulas` in the configuration): one job per case and shard of weight sets.


rule formulas:
    input:
        sources=CORE,
        files=formula_files,
    output:
        "results/shards/formulas/{case}/{start}-{stop}.json",
    log:
        "results/logs/formulas/{case}/{start}-{stop}.log",
    benchmark:
        "results/benchmarks/formulas/{case}/{start}-{stop}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **DEVICES,
        mem_mb=1024,
    params:
        case=cases.instance,
        seed=lookup(dpath="seed", within=config),
        backend=lookup(dpath="backend", within=config),
    message:
        "Trying your formulas on weight sets {wildcards.start} to {wildcards.stop} of {wildcards.case}"
    script:
        "../scripts/formulas.py"
