// The code stands behind the # of the link, which no browser sends to any server; from here it goes into a cookie.
const code = location.hash.slice(1);
if (code) {
  history.replaceState(null, "", location.pathname);
  document.getElementById("token").value = code;
  document.getElementById("enter").submit();
}
