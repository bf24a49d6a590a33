"""The process that trains: fork server, loop, observer.

worker       the process of one attempt of one run
fork server  a process that has imported torch and forks workers, seconds faster than a fresh start
loop         the training steps; Lightning only carries them
play         the steps of a lab that is no training of a module, without Lightning
begin        what an attempt of either begins with
stride       the batches that Lightning is handed at a time, about 50 ms of work
observer     asks the probes, hands readings to the detectors, writes both to the spool
transfer     readings on their way from the device to the spool
checkpoint   everything with which a new attempt goes on as if there had been no break
provenance   what decided the numbers besides the declaration: code, versions, device, data
stack        several runs that one worker trains together; each is a member of it
row          a member's part of the tensors of a stack
"""
