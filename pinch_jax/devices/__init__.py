"""What arrays lie on: the mesh, the sharding table, copies in the memory of hosts."""
