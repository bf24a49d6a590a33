"""What can be asked for, and turning a request into a complete declaration.

knob           one named, typed, bounded value
question       a knob whose value is one of several published answers; an answer is a class with knobs of its own
flat, nested   `router.update_rate=1e-3` as people write it; {"router": {"is": …}} as spec.json holds it
preset         named knob values that show one thing; its cure makes a twin, its grid makes arms
declaration    every knob of a lab with a value; a run is made from nothing else
rule           what one knob asks of another, as JSON
labs document  what `labs --json` prints: everything that can be asked for, without torch
axis         a knob with several values in a sweep, written a,b,c or a..b or a..b/n
plan         what a sweep was asked for: its axes and seeds, and the declarations they come to
identity     a hash of everything in a declaration that decides its curve; equal identities are the same training
"""
