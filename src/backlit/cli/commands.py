"""Register every command with the app; a command's own imports wait until it runs."""

from backlit.cli import app, explain, export, predict, train

app.command("train")(train.command)
app.command("predict")(predict.command)
app.command("export")(export.command)
app.command("explain")(explain.command)
