% if job is None:
<p class="said">There is no such thing, or what came of it has been shown: a password is shown once.</p>
% elif job.failed:
<p class="state bad" role="alert"><span aria-hidden="true">▲</span> {{job.failed}}</p>
% elif job.done:
<p class="state good" role="status"><span aria-hidden="true">●</span> {{job.done.said}}</p>
% if job.done.connection:
<p>This is shown once, and kept nowhere.</p>
<dl class="facts">
% for name, value in job.done.connection.variables().items():
<div><dt>{{name}}</dt><dd><code>{{value}}</code></dd></div>
% end
</dl>
<p><code id="url">{{job.done.connection.dsn}}</code></p>
<p><button type="button" data-copy="url" hidden>Copy the URL</button></p>
% end
% else:
<p class="state busy" role="status"><span aria-hidden="true">◐</span> It is being done.</p>
% end
% if job is not None and job.lines:
<ul>
% for line in job.lines:
<li>{{line}}</li>
% end
</ul>
% end
<p><a href="/do">Do something else</a></p>
