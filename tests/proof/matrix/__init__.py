"""The kill matrix: faults × moments on real servers and real workers, judged by the checker.

links           TCP proxies between each program and each server: cut, half open, answers to commits lost
messages        what happens to messages on their way to the broker: lost, doubled, delayed
moments         arms the moments at which programs can be stopped, sees who is held there, lets go
observing       looks at the database from outside: leases, and how soon all recovers
installation    one installation: servers, workers, beat, clients, steering (`leashed`), and how they are reached
installing      makes installations, each on a copy of a migrated database
strikes, faults how each fault strikes; the table of them
storm           one installation, and faults at all their moments (`cells`: their results; `judging`: what is wrong)
__main__        all of them, several side by side: `make proof`; `report` writes the tables
chaos           everything at random on one installation: `make chaos` (`memory` watches the workers)
"""
