"""A checkout like this one with something planted in its sql/: what the gates of releases are shown."""

from __future__ import annotations

import shutil
from pathlib import Path

from gates.site import ROOT, Site
from symphony.postgres_throwaway import Cluster


class PlantedCheckout:
    """A copy of sql/ in a directory that shares git, release.json and driver/ with this checkout."""

    def __init__(self, root: Path, cluster: Cluster) -> None:
        root.mkdir(parents=True, exist_ok=True)
        shutil.copytree(ROOT / "sql", root / "sql")
        for shared in (".git", "release.json", "driver"):
            (root / shared).symlink_to(ROOT / shared)
        self.site = Site(root=root, cluster=cluster)

    def migration(self, text: str) -> str:
        """Add a migration with the next number; return its path below sql/."""
        folder = self.site.sql_dir / "migrations"
        number = len(list(folder.glob("*.sql"))) + 1
        path = folder / f"{number:04d}_planted.sql"
        path.write_text(text + "\n", encoding="utf-8")
        return f"migrations/{path.name}"

    def take_back(self) -> None:
        """Remove the migrations that were added."""
        for path in (self.site.sql_dir / "migrations").glob("*_planted.sql"):
            path.unlink()

    def function(self, path: str, text: str) -> None:
        """Add a function file."""
        (self.site.sql_dir / "functions" / path).write_text(text, encoding="utf-8")

    def replace(self, path: str, old: str, new: str) -> None:
        """Change a file that must hold `old`."""
        file = self.site.sql_dir / path
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{path} does not hold {old!r} any more"
        file.write_text(text.replace(old, new), encoding="utf-8")
