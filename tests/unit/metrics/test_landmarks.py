from tests.unit.metrics.obeying import METRICS, Telepath, values


def test_landmarks_of_one_who_obeys_and_of_one_who_does_not(scores, obedience):
    meshes = obedience.meshes()
    deaf = Telepath(meshes, "deaf", listens=False)
    large = {**METRICS, "landmarks": {"pairs": 24, "resolution": 64}}
    found = values(scores("landmarks", Telepath(meshes), deaf, metrics=large))
    assert found["telepath", "landmark_distance"] < 1e-3
    assert found["telepath", "expression_transfer"] < 1e-3
    assert found["telepath", "landmark_correlation"] > 0.95
    assert abs(found["telepath", "landmark_correlation_cross"]) < 0.35
    assert found["deaf", "landmark_distance"] > 3
    assert found["deaf", "landmark_correlation"] < 0.35
    assert found["deaf", "expression_transfer"] > 0.9


def test_truncation_shrinks_mesh_and_field_alike(scores, obedience):
    alike = Telepath(obedience.meshes(), "telepath_truncated", psi=0.5)
    found = values(scores("landmarks", alike))
    assert found["telepath_truncated", "landmark_distance"] < 1e-3
