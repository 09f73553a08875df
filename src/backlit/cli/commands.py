"""Register every command with the app; a command's own imports wait until it runs."""

from backlit.cli import app, check, cost, diagnose, explain, export, grade, predict, train

app.command("train")(train.command)
app.command("predict")(predict.command)
app.command("explain")(explain.command)
app.command("check")(check.command)
app.command("grade")(grade.command)
app.command("cost")(cost.command)
app.command("diagnose")(diagnose.command)
app.command("export")(export.command)
