"""Register every command with the app; a command's own imports wait until it runs."""

from backlit.cli import app, cost, diagnose, export, predict, train

app.command("train")(train.command)
app.command("predict")(predict.command)
app.command("cost")(cost.command)
app.command("diagnose")(diagnose.command)
app.command("export")(export.command)
