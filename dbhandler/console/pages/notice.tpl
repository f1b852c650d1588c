<p class="said">{{text}}</p>
