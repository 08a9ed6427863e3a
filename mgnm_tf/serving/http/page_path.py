"""The page at `/`: one file, which fetches nothing from elsewhere."""

import base64
import hashlib
import re
from importlib import resources

from fastapi import APIRouter
from fastapi.responses import HTMLResponse


def page_path() -> APIRouter:
    """Returns the path of the page.

    Its policy lets nothing run but what stands in the file, and pictures come
    from the addresses that the file of items names.
    """
    folder = resources.files("mgnm_tf.serving.http") / "page"
    page = (folder / "index.html").read_text(encoding="utf-8")
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_hash(page, 'script')}'",
            f"style-src '{_hash(page, 'style')}'",
            "img-src http: https: data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
        ]
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    router = APIRouter()

    @router.get("/", include_in_schema=False)
    async def index():
        return HTMLResponse(page, headers=headers)

    return router


def _hash(page: str, element: str) -> str:
    (content,) = re.findall(
        f"<{element}>(.*?)</{element}>", page, flags=re.DOTALL
    )
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")
