"""What every benchmark is made with: interleaved rounds, clocks, results as JSON, comparison by ratio.

================  ====================================================================
`results`         what a run found: groups of subjects with samples, and ratios (data)
`contest`         subjects take turns, round by round
`processes`       CPU clocks, memory and CPU affinity of this and other processes
`responder`       a server that does next to nothing (a script)
`comparison`      what counts as a regression (pure)
`table`           results and comparisons as text and Markdown (pure)
`surroundings`    machine, versions, commit
================  ====================================================================
"""
