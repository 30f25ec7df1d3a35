"""What arrays lie on: the mesh, the sharding table, the memory of hosts; what JAX is set to."""
