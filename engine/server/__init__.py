"""The lab's service and its routes.

service        index, supervisor and labs document of one server process, shared by all its pages
route          an address beside the pages: /live, /snapshot, /image, /export, /panel
snapshot       the series of some runs as they are now, small enough to draw
stream         what is new about some runs, to one browser, as server-sent events
gate           what every request passes first; it lets through, moves on or refuses
token          the secret of a data folder: whoever shows it may press
browser id     what a browser is known by, in a cookie that only the token can sign
channel        one run's news, encoded once for all browsers that follow it
mailbox        what waits to be sent to one browser
delta, resync  a message of a stream; the word that the browser was too slow and must fetch a snapshot
panel answer   frames that a child process computed for a panel
check          one line of doctor: what this machine has or lacks
"""
