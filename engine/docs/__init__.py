"""What writes docs/: measurements and the reference.

measurement  a preset run in full over its seeds, and the file of docs/measured/ that keeps the numbers
threshold    a level of a metric; a measurement notes the step at which it is reached
alarm        an event of a detector in a run that stayed sound; counted over the runs of the plan
damage       the step from which the loss of a run is spoilt; the lead of a detector is counted to it
reference    the pages that list every lab, knob, probe, detector and chart, made from the catalogs
"""
