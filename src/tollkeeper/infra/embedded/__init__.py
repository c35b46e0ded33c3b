"""The embedded PostgreSQL: a real server that lives exactly as long as somebody uses it.

Owns: finding the binaries, making the cluster, starting, restarting and stopping the server, the
rights it runs with, and the socket through which it is reached. Does not own: connections, pools,
schemas, or what is stored.

Three kernel locks (`flock`) in the data directory are the whole protocol. The kernel gives a lock
back when the last process that holds it ends, even by `kill -9`, so nothing has to be cleaned up.

| file            | held by                               | says                              |
|-----------------|---------------------------------------|-----------------------------------|
| `users.lock`    | every process that uses the database  | while it is held the server runs  |
| `keeper.lock`   | the keeper, one tiny detached process | who may start and stop the server |
| `postgres.lock` | every PostgreSQL process, by heritage | something of a server still lives |

A process joins with `EmbeddedPostgres.join` (`server`); the keeper (`keeper`) does the rest.
"""
