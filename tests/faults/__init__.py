"""The fault suite: processes of a stack of its own are killed, paused and cut off while a load goes on.

``cluster`` runs the processes, ``load`` submits and keeps a ``history``, ``crash_points``, ``faults`` and ``extremes``
hurt, ``checker`` reads what history, Postgres, the receiver and Redis say, ``report`` prints the counts.
"""
