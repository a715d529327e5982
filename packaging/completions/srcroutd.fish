# Completion of srcroutd for fish. Made by packaging/completions.py.
complete -c srcroutd -f
complete -c srcroutd -n 'true' -s h -l help -d 'show this help message and exit'
complete -c srcroutd -n 'true' -l config -rF -d 'default /etc/srcroutd/srcroutd.toml'
complete -c srcroutd -n 'true' -l state-dir -rF -d 'default /var/lib/srcroutd'
complete -c srcroutd -n 'true' -l runtime-dir -rF -d 'default /run/srcroutd'
complete -c srcroutd -n 'true' -l once -d 'reconcile once and exit (gone after a reboot)'
complete -c srcroutd -n 'true' -l check -d 'check the configuration and exit'
complete -c srcroutd -n 'true' -l log -xa 'auto journal json text' -d 'where the record goes: journal, or stderr as text or json; default auto: the journal if stderr is connected to it, else text'
complete -c srcroutd -n 'true' -l verbose -d 'in text on stderr, show the fields of each entry'
complete -c srcroutd -n 'true' -l version -d 'show program\'s version number and exit'
