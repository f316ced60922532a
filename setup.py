"""The one thing pyproject.toml cannot say: the folders a person edits ship inside the package.

``annotate/`` at the root becomes ``tbd/shipped/annotate/`` in a wheel, and so on. A checkout reads
them in place; ``tbd.workspace.shipped`` knows both.
"""

from setuptools import find_packages, setup

SHIPPED = {
    "annotate": ["**/*"],
    "evaluate": ["**/*"],
    "train": ["**/*"],
    "replicate": ["**/*"],
    "data_manifests": ["cards/**/*", "example/**/*"],  # never a user's own manifests
}

setup(
    packages=[*find_packages(include=["tbd", "tbd.*"]), *(f"tbd.shipped.{name}" for name in SHIPPED)],
    package_dir={f"tbd.shipped.{name}": name for name in SHIPPED},
    include_package_data=False,
    package_data={
        "tbd": ["py.typed"],
        "tbd.demo": ["templates/*"],
        "tbd.replicate": ["templates/*"],
        "tbd.manifest": ["templates/*"],
        "tbd.review.terminal": ["*.tcss"],
        "tbd.web": ["common/**/*"],
        "tbd.review.web": ["static/**/*", "templates/**/*"],
        "tbd.evaluate.outputs": ["templates/*"],
        "tbd.evaluate.study": ["page/**/*"],
        **{f"tbd.shipped.{name}": files for name, files in SHIPPED.items()},
    },
)
