"""The application: routes in, JSON or HTML out."""

from flask import Flask, Response, abort, flash, jsonify, redirect, render_template, request, url_for
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from notes import settings
from notes.store import MAXIMUM_LENGTH, Store


def create_app(database: str | None = None) -> Flask:
    """The WSGI application, as its settings say; `database` names another file."""
    values = settings.load()
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.config["SECRET_KEY"] = values.session_key
    store = Store(database or values.database)
    app.extensions["notes"] = store

    @app.get("/health")
    def health() -> tuple[Response, int]:
        try:
            count = store.count()
        except OperationalError as error:
            # The path and the statement are for the log, not for whoever asks.
            app.logger.error("database %s: %s", store.path, error.orig)
            return jsonify(status="failed", reason="the database does not answer"), 503
        return jsonify(status="ok", notes=count), 200

    @app.get("/")
    def page() -> str:
        return render_template("notes.html", notes=store.all(), maximum=MAXIMUM_LENGTH)

    @app.post("/")
    def add_from_page() -> Response:
        _refuse_foreign_origin()
        try:
            note = store.add(request.form.get("text"))
        except ValueError as error:
            abort(400, str(error))
        if app.secret_key:
            flash(f"Note {note.id} was added.")
        return redirect(url_for("page"), 303)

    @app.get("/api/notes")
    def list_notes() -> Response:
        return jsonify(notes=[note.as_dict() for note in store.all()])

    @app.post("/api/notes")
    def add_note() -> tuple[Response, int, dict]:
        body = request.get_json()
        try:
            note = store.add(body.get("text") if isinstance(body, dict) else None)
        except ValueError as error:
            abort(400, str(error))
        return jsonify(note.as_dict()), 201, {"Location": url_for("get_note", number=note.id)}

    @app.get("/api/notes/<int:number>")
    def get_note(number: int) -> Response:
        note = store.get(number)
        if note is None:
            abort(404, f"there is no note {number}")
        return jsonify(note.as_dict())

    @app.delete("/api/notes/<int:number>")
    def delete_note(number: int) -> tuple[str, int]:
        if not store.delete(number):
            abort(404, f"there is no note {number}")
        return "", 204

    @app.errorhandler(HTTPException)
    def as_json(error: HTTPException):
        # The page keeps HTML errors; programs get JSON.
        if request.path.startswith("/api/"):
            return jsonify(error=error.description), error.code
        return error

    return app


def _refuse_foreign_origin() -> None:
    """A form on another site must not post here; browsers send Origin with every form."""
    if request.origin is not None and request.origin != request.host_url.rstrip("/"):
        abort(403, "this form belongs to another site")
