//! A Chromium, driven by chromedriver.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use thirtyfour::prelude::{ElementQueryable as _, ElementWaitable as _};
use thirtyfour::{
    By, ChromiumLikeCapabilities as _, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver, WebElement,
};
use tokio::runtime::Runtime;

use crate::process::Process;

/// How long anything may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);

/// chromedriver, for as long as it is kept.
pub(crate) struct Driver {
    url: String,
    runtime: Runtime,
    _process: Process,
}

/// How a page is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) is_dark: bool,
}

/// A browser with one window.
pub(crate) struct Browser<'a> {
    driver: &'a Driver,
    window: WebDriver,
    base: &'a str,
    has_scripts: bool,
}

impl Driver {
    /// Starts it; its log is in the folder.
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}"));
        let mut process = Process::start("chromedriver", &mut command, &folder.join("chromedriver.log"))?;
        let url = format!("http://127.0.0.1:{port}");
        let client = stocktake_testbed::http_client(PATIENCE)?;
        let begin = Instant::now();
        while !client.get(format!("{url}/status")).send().is_ok_and(|answer| answer.status().is_success()) {
            process.check_runs()?;
            ensure!(begin.elapsed() < PATIENCE, "chromedriver does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        // thirtyfour makes a client that could use TLS, though nothing here does. Somebody may have been earlier.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { url, runtime, _process: process })
    }
}

impl<'a> Browser<'a> {
    /// A new browser that knows nobody.
    pub(crate) fn open(driver: &'a Driver, base: &'a str, has_scripts: bool) -> anyhow::Result<Self> {
        let mut wanted = DesiredCapabilities::chrome();
        for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] {
            wanted.add_arg(argument)?;
        }
        wanted.set_browser_log_level(LoggingPrefsLogLevel::All)?;
        let window = driver
            .runtime
            .block_on(WebDriver::new(&driver.url, wanted))
            .context("Chromium does not start")?;
        let browser = Self { driver, window, base, has_scripts };
        browser.let_scripts_run(has_scripts)?;
        Ok(browser)
    }

    /// Ends it.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        Ok(self.driver.runtime.block_on(self.window.quit())?)
    }

    /// Pretends to be a window of this width, on a system with this choice.
    pub(crate) fn set_look(&self, look: Look) -> anyhow::Result<()> {
        let size = json!({"width": look.width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.command("Emulation.setDeviceMetricsOverride", size)?;
        let scheme = if look.is_dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.command("Emulation.setEmulatedMedia", media)?;
        Ok(())
    }

    /// Presents a token to the page for signing in, which is shown.
    pub(crate) fn present(&self, token: &str) -> anyhow::Result<()> {
        self.write("Access token", token)?;
        self.press(By::Css("form.door button[type=submit]"))
    }

    /// Opens a page of the console.
    pub(crate) fn go(&self, path: &str) -> anyhow::Result<()> {
        Ok(self.driver.runtime.block_on(self.window.goto(format!("{}{path}", self.base)))?)
    }

    /// The path and query of the page that is shown.
    pub(crate) fn path(&self) -> anyhow::Result<String> {
        let url = self.driver.runtime.block_on(self.window.current_url())?;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        Ok(format!("{}{query}", url.path()))
    }

    /// What the page says; nothing while another one comes.
    pub(crate) fn text(&self) -> String {
        let text = self.evaluate("document.body.innerText").ok();
        text.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Waits until the page says this.
    pub(crate) fn expect(&self, text: &str) -> anyhow::Result<()> {
        let begin = Instant::now();
        while !self.text().contains(text) {
            if begin.elapsed() > PATIENCE {
                bail!("{} does not say {text:?}, but:\n{}", self.path()?, self.text());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Waits until another page than the one with this path and query is shown.
    pub(crate) fn expect_other(&self, path: &str) -> anyhow::Result<()> {
        let begin = Instant::now();
        while self.path()? == path {
            ensure!(begin.elapsed() < PATIENCE, "{path} is still shown");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Presses what this selector finds.
    pub(crate) fn press(&self, by: By) -> anyhow::Result<()> {
        self.driver.runtime.block_on(async {
            let element = self.found(by).await?;
            element.scroll_into_view().await?;
            Ok(element.click().await?)
        })
    }

    /// Presses the button or link with this text.
    pub(crate) fn press_text(&self, text: &str) -> anyhow::Result<()> {
        let path = format!("//*[self::button or self::a or self::summary][normalize-space(text())='{text}']");
        self.press(By::XPath(path))
            .with_context(|| format!("{text:?} on {}", self.path().unwrap_or_default()))
    }

    /// Writes into the field with this label, instead of what is in it.
    pub(crate) fn write(&self, label: &str, text: &str) -> anyhow::Result<()> {
        self.driver.runtime.block_on(async {
            let path = format!("//*[@id=//label[normalize-space()='{label}']/@for]");
            let field = self.found(By::XPath(path)).await?;
            if field.tag_name().await? != "select" {
                field.clear().await?;
            }
            Ok(field.send_keys(text).await?)
        })
    }

    async fn found(&self, by: By) -> anyhow::Result<WebElement> {
        let element = self.window.query(by).wait(PATIENCE, Duration::from_millis(100)).first().await?;
        element.wait_until().wait(PATIENCE, Duration::from_millis(100)).displayed().await?;
        Ok(element)
    }

    /// The value of the session's cookie, as a header has it.
    pub(crate) fn cookie(&self) -> anyhow::Result<String> {
        let cookie = self.driver.runtime.block_on(self.window.get_named_cookie("stocktake_session"))?;
        Ok(format!("{}={}", cookie.name, cookie.value))
    }

    /// What the window shows, as a PNG.
    pub(crate) fn picture(&self) -> anyhow::Result<Vec<u8>> {
        Ok(self.driver.runtime.block_on(self.window.screenshot_as_png())?)
    }

    /// What an expression is on the page.
    pub(crate) fn evaluate(&self, expression: &str) -> anyhow::Result<Value> {
        let parameters = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.command("Runtime.evaluate", parameters)?;
        ensure!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        Ok(answer.pointer("/result/value").cloned().unwrap_or_default())
    }

    /// The page has a heading, is as wide as the window, and reaches everything by its words.
    pub(crate) fn check_view(&self) -> anyhow::Result<()> {
        let metrics = self.command("Page.getLayoutMetrics", json!({}))?;
        let width = |of| metrics.pointer(of).and_then(Value::as_f64).context("no layout metrics");
        let (content, window) = (width("/cssContentSize/width")?, width("/cssLayoutViewport/clientWidth")?);
        ensure!(content <= window, "the page is {content} px wide, and the window {window}");
        let headings = self.evaluate("document.querySelectorAll('h1').length")?;
        ensure!(headings == 1, "{headings} main headings");
        let nameless = "[...document.querySelectorAll('a, button, input:not([type=hidden]):not([hidden]), select')]\
                        .filter(e => !e.textContent.trim() && !(e.labels && e.labels.length) && !e.getAttribute('aria-label'))\
                        .map(e => e.outerHTML).join(' ')";
        let nameless = self.evaluate(nameless)?;
        ensure!(nameless == "", "without a name: {nameless}");
        Ok(())
    }

    fn let_scripts_run(&self, run: bool) -> anyhow::Result<()> {
        self.command("Emulation.setScriptExecutionDisabled", json!({ "value": !run })).map(drop)
    }

    /// Pretends to print, or no longer.
    pub(crate) fn set_print(&self, is_printing: bool) -> anyhow::Result<()> {
        let media = if is_printing { "print" } else { "" };
        self.command("Emulation.setEmulatedMedia", json!({ "media": media })).map(drop)
    }

    /// axe-core finds nothing that keeps somebody from using the page. It is no part of the page, and so is not held back by
    /// the page's policy. Where scripts are switched off they may run for it alone, once the page is there: its own
    /// have been passed over by then, and do not run any more.
    pub(crate) fn check_access(&self, axe: &str) -> anyhow::Result<()> {
        self.let_scripts_run(true)?;
        let checked = self.run_axe(axe);
        self.let_scripts_run(self.has_scripts)?;
        checked
    }

    fn run_axe(&self, axe: &str) -> anyhow::Result<()> {
        self.evaluate(&format!("{axe}; 0"))?;
        let found = "axe.run().then(result => result.violations.map(rule => rule.id + ' ' + \
                     rule.nodes.map(node => node.html).join(' ')).join('\\n'))";
        let found = self.evaluate(found)?;
        ensure!(found == "", "axe-core: {found}");
        Ok(())
    }

    /// Nothing was written to the browser's log since the last look, not even that the policy was broken.
    pub(crate) fn check_quiet(&self) -> anyhow::Result<()> {
        let entries = self.driver.runtime.block_on(self.window.browser_log())?;
        let texts: Vec<String> =
            entries.into_iter().map(|entry| format!("{}: {}", entry.level, entry.message)).collect();
        ensure!(texts.is_empty(), "the browser says: {}", texts.join("\n"));
        Ok(())
    }

    /// Forgets what the browser's log says so far: of an answer that is an error, it always says something.
    pub(crate) fn forget_log(&self) -> anyhow::Result<()> {
        self.driver.runtime.block_on(self.window.browser_log())?;
        Ok(())
    }

    fn command(&self, name: &str, parameters: Value) -> anyhow::Result<Value> {
        let tools = self.window.cdp();
        let answer = self.driver.runtime.block_on(tools.send_raw(name, parameters));
        answer.with_context(|| name.to_owned())
    }
}
