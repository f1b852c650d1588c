<form method="post" action="/login" class="login">
% if complaint:
<p class="state bad" role="alert">{{complaint}}</p>
% end
<p><label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required autofocus></p>
<input type="hidden" name="next" value="{{next}}">
<p><button>Log in</button></p>
</form>
