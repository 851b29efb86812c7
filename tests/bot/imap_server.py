"""A mailbox over IMAP on loopback: as much of RFC 3501 as a reader of new mails needs."""

import re
import socketserver
import threading


class ImapServer:
    """Serves `mails`, by UID; keeps the commands that it was given."""

    def __init__(self) -> None:
        self.mails: dict[int, bytes] = {}
        self.validity = 1
        self.commands: list[str] = []
        served = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"* OK ready\r\n")
                for line in self.rfile:
                    tag, _, command = line.decode().strip().partition(" ")
                    served.commands.append(command)
                    self.wfile.write(served.answer(tag, command))

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"imap://success%40team.example:pass@127.0.0.1:{self._server.server_address[1]}/INBOX"

    def answer(self, tag: str, command: str) -> bytes:
        """Return what is sent back."""
        done = f"{tag} OK done\r\n".encode()
        if command.upper().startswith("CAPABILITY"):
            return b"* CAPABILITY IMAP4rev1\r\n" + done
        if command.upper().startswith(("EXAMINE", "SELECT")):
            return f"* {len(self.mails)} EXISTS\r\n* OK [UIDVALIDITY {self.validity}] ok\r\n".encode() + done
        if found := re.match(r"UID SEARCH UID (\d+):\*", command, re.I):
            from_ = int(found.group(1))
            # As servers do: `n:*` always names the newest mail.
            uids = [uid for uid in self.mails if uid >= from_] or [max(self.mails)] * bool(self.mails)
            return f"* SEARCH {' '.join(map(str, uids))}\r\n".encode() + done
        if found := re.match(r"UID FETCH (\d+)", command, re.I):
            uid = int(found.group(1))
            raw = self.mails[uid]
            return f"* 1 FETCH (UID {uid} BODY[] {{{len(raw)}}}\r\n".encode() + raw + b")\r\n" + done
        return done

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
