"""Steps, pipelines, graph, capsule, fingerprint, plan, events. Knows no store, no engine and no notebook."""
