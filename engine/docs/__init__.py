"""What writes docs/: measurements and the reference.

measurement  a preset run in full over its seeds, and the file of docs/measured/ that keeps the numbers
threshold    a level of a metric; a measurement notes the step at which it is reached
reference    the pages that list every lab, knob, probe, detector and chart, made from the catalogs
"""
